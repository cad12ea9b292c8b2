"""What a process of the service does about itself: stops, limits, memory, clock."""
