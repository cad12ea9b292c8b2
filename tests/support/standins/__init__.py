"""Stand-ins of the image services: real HTTP servers on loopback that check what they get and answer as scripted."""
