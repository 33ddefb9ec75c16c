"""Networks and the seven pipelines built from them."""
