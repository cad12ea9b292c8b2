"""The provider for any HTTP address of the studio's own."""
