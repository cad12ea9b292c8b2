"""The media store in a bucket of an S3 service. Needs the extra `s3`; `S3MediaStore` is in `.store`."""

from .settings import S3Settings

__all__ = ["S3Settings"]
