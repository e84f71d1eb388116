# Targets: api (no TensorFlow), worker, worker-gpu. Python 3.11 is what the tests run on; a digest
# pins the image still more (see docker-compose.yml).
ARG PYTHON=python:3.11.15-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /build
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && python -m venv --without-pip /venv
# Compiled here, because the running user may not write: TensorFlow imports in 3 s, not 8 s.
ENV INSTALL="uv pip sync --python /venv/bin/python --no-cache --require-hashes --compile-bytecode"

FROM build AS build-api
RUN ${INSTALL} requirements/api.txt

FROM build AS build-worker
RUN ${INSTALL} requirements/worker.txt

FROM build AS build-worker-gpu
RUN ${INSTALL} requirements/worker-gpu.txt

FROM ${PYTHON} AS base
# A fixed id, so that a volume's files keep their owner from one image to the next.
RUN groupadd --gid 10001 plateau \
    && useradd --uid 10001 --gid plateau --no-create-home --home-dir /tmp plateau \
    && install --directory --owner plateau --group plateau \
        /var/lib/plateau /var/lib/plateau/artifacts /var/lib/plateau/data \
        /var/lib/plateau/uploads
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    PLATEAU_VAR_DIR=/var/lib/plateau
COPY contract contract
COPY diagnosis diagnosis
STOPSIGNAL SIGTERM

FROM base AS api
COPY api api
COPY migrations migrations
COPY recipes recipes
COPY --from=build-api /venv /venv
RUN python -m compileall -q .
USER plateau
ENV PLATEAU_HOST=0.0.0.0 PLATEAU_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PLATEAU_PORT'] + '/readyz', timeout=4)"]
CMD ["python", "-m", "api"]

FROM base AS worker-base
COPY worker worker
# The worker renews its row in the database every 10 s; the check looks at its age.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["python", "-m", "worker.health"]
CMD ["python", "-m", "worker"]

FROM worker-base AS worker
COPY --from=build-worker /venv /venv
RUN python -m compileall -q .
USER plateau

FROM worker-base AS worker-gpu
COPY --from=build-worker-gpu /venv /venv
RUN python -m compileall -q .
USER plateau
