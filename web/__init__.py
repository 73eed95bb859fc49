"""The page and the JSON API: a face of the index, with no writes of its own."""
