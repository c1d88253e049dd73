"""Forms of members about benefits, a module each subject."""
