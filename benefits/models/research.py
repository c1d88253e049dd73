"""Tables of research into which benefits members want."""
