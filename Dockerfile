# PhotoChanger in a container (docs/deployment.md, ADR 28). The second stage contains Python, a virtual environment
# of pinned and hashed packages, and one account without privileges, but no tools that build or download.

# The base image is pinned by a digest, which deploy/pin-images looks up; without one nothing is built.
ARG PYTHON_DIGEST
FROM python:3.13-slim-bookworm@${PYTHON_DIGEST} AS build
WORKDIR /build
# Build tools have a separate environment; both are pinned.
COPY requirements/bootstrap.txt requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/python -m pip install -q --require-hashes -r requirements/bootstrap.txt -r requirements/build.txt
# Packages before the source, so that a change of the source alone reuses their layer.
ENV UV_COMPILE_BYTECODE=1
RUN python -m venv --without-pip /opt/photochanger \
 && /opt/build/bin/uv pip sync -q --python /opt/photochanger/bin/python --require-hashes \
      --build-constraints requirements/build.txt requirements/runtime.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY openapi openapi
COPY src src
RUN /opt/build/bin/python -m pip wheel -q --no-build-isolation --no-deps --wheel-dir dist . \
 && /opt/build/bin/uv pip install -q --python /opt/photochanger/bin/python --no-deps dist/*.whl

FROM python:3.13-slim-bookworm@${PYTHON_DIGEST}
LABEL org.opencontainers.image.title="PhotoChanger" \
      org.opencontainers.image.description="Photo booths POST a photo and wait: PhotoChanger answers with the finished picture before a hard deadline." \
      org.opencontainers.image.licenses="MIT"
# A fixed id, so that volumes and security contexts can name it. The account is in /etc/passwd because the embedded
# PostgreSQL looks up its name.
RUN groupadd --gid 10001 photochanger \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/photochanger --shell /usr/sbin/nologin photochanger \
 && install --directory --owner photochanger --group photochanger --mode 0700 /var/lib/photochanger
COPY --from=build /opt/photochanger /opt/photochanger
ENV PATH=/opt/photochanger/bin:$PATH \
    PHOTOCHANGER_HOME=/var/lib/photochanger \
    PHOTOCHANGER_HOST=0.0.0.0 \
    PHOTOCHANGER_PORT=8000
VOLUME /var/lib/photochanger
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM
# Checks that the process is alive, not the database: a new container would not fix an outage of the database.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["photochanger", "healthcheck"]
ENTRYPOINT ["photochanger"]
CMD ["serve"]
