"""The page for administrators, operators and guests."""
