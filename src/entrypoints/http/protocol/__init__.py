"""HTTP building blocks: bodies, forms, ETags, files, links, problems."""
