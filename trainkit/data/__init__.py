"""What happens to rows on their way to the network."""
