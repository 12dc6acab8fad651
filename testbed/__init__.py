"""What drives, searches and measures the whole system. None of it is installed on a board."""
