"""`cssr dataset`: from photos and labels as people have them to the pipeline's layout."""
