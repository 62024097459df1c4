"""What the HTTP source and the HTTP sink share."""
