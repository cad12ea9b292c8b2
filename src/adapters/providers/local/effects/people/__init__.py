"""Where people and their faces are in a photo: two small neural networks, run on one thread of this machine.

They need the extra `people` (numpy and LiteRT). `extra` and `found` work without it; the other modules are imported
only when it is installed.
"""
