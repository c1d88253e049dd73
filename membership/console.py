"""What the console's frame shows: the navigation and which environment this is."""
