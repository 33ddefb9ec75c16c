"""Image files of any kind: their headers, their bands and what their pixels mean."""
