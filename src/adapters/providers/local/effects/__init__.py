"""The picture work of the `local` provider: pure functions from a libvips image and settings to a libvips image.

All of them take and return 8-bit sRGB without alpha, and give the same pixels for the same input.
"""
