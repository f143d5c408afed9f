# The images of this project, a target each; `make images` builds them, docs/images.md tells of them.
#
# One file, since they are made alike: the same base, user and rights, the same way from a lock to
# a virtual environment, and the supervisor's is inference's with a layer more. What is said once
# here can't drift between seven files.
#
# The names of the targets are those of Makefile's IMAGES; the stages before them have names with
# `-libraries` (what a lock names) and `-program` (our own packages, only those that are needed).

ARG BASE=python:3.11-slim
ARG VERSION=0
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0

# ── What builds. Nothing of it but its results comes into an image. ────────────────────────────────

# The secrets are for networks with certificates or an index of their own: pip's configuration, and
# the certificates under the name that it gives to them. Both may be missing.
FROM ${BASE} AS build
COPY requirements/bootstrap.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /build/tools \
 && /build/tools/bin/pip install --quiet --disable-pip-version-check --no-cache-dir \
    --require-hashes --requirement /build/bootstrap.txt
COPY docker/libraries docker/settle docker/program docker/lay /build/

FROM ${BASE} AS user
COPY docker/user /build/
RUN /build/user

FROM ${BASE} AS curl
COPY docker/debian /build/
RUN /build/debian curl

FROM build AS download-model-libraries
COPY requirements/download.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries download

FROM build AS gateway-libraries
COPY requirements/gateway.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries gateway

FROM build AS inference-libraries
COPY requirements/inference.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries inference

# Beside inference's, so that the supervisor's image is that of inference with a layer more. The
# few packages that both have are in both, in the same version.
FROM build AS supervisor-libraries
COPY requirements/download.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries download /opt/store

FROM build AS promoter-libraries
COPY requirements/training.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries training

FROM build AS mlflow-libraries
COPY requirements/mlflow.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries mlflow

FROM build AS load-libraries
COPY requirements/load.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/build/cache \
    /build/libraries load

FROM build AS download-model-program
COPY artifacts /app/artifacts
COPY serving/__init__.py serving/download_model.py serving/logs.py serving/replica_set.py \
     /app/serving/
COPY serving/supervisor/__init__.py serving/supervisor/home.py serving/supervisor/state.py \
     /app/serving/supervisor/
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

FROM build AS gateway-program
COPY artifacts /app/artifacts
COPY serving/__init__.py serving/exposition.py serving/logs.py serving/process_figures.py /app/serving/
COPY serving/gateway /app/serving/gateway
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

FROM build AS inference-program
COPY artifacts /app/artifacts
COPY bentos /app/bentos
COPY serving/__init__.py serving/exposition.py serving/logs.py serving/process_figures.py \
     serving/replica_set.py /app/serving/
COPY serving/inference /app/serving/inference
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

# On top of inference's. The gateway's keys and settings are checked before it is started, so its
# modules are here; what it runs on is not.
FROM build AS supervisor-program
COPY iris.py /app/
COPY artifacts /app/artifacts
COPY bentos /app/bentos
COPY serving /app/serving
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

FROM build AS promoter-program
COPY iris.py /app/
COPY artifacts /app/artifacts
COPY registry /app/registry
COPY serving/__init__.py serving/bootstrap.py /app/serving/
COPY training /app/training
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

FROM build AS load-program
COPY load_tests/__init__.py load_tests/objectives.toml /app/load_tests/
COPY load_tests/benchmark/__init__.py load_tests/benchmark/errors.py load_tests/benchmark/ours.py \
     load_tests/benchmark/ports.py load_tests/benchmark/service.py /app/load_tests/benchmark/
COPY load_tests/profiles /app/load_tests/profiles
COPY load_tests/suite /app/load_tests/suite
ARG VERSION SOURCE_DATE_EPOCH
RUN /build/program "$VERSION" "$SOURCE_DATE_EPOCH"

# ── What runs. ───────────────────────────────────────────────────────────────────────────────────

# Only what was laid out before is copied, since a command that runs here leaves its time behind in
# the layer. The one that does run takes pip out of a base that has it.
FROM ${BASE} AS runtime
RUN for file in /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* \
      /usr/local/lib/python3*/ensurepip; do if [ -e "$file" ]; then rm -r "$file"; fi; done
COPY --from=user /image/ /
# The root file system is read-only, so /tmp is all there is for what libraries want to write at
# home, and nothing is compiled or imported from where a program happens to stand.
ENV HOME=/tmp \
    PATH=/app/bin:/opt/iris/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/iris
USER 65532:65532

# The init container: fetches the release's file, verifies it, ends.
FROM runtime AS download-model
ENV MODEL_PATH=/model/model.onnx
COPY --from=download-model-libraries /image/ /
COPY --from=download-model-program /image/ /
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "serving.download_model"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-download-model" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM runtime AS gateway
COPY --from=curl /image/ /
ENV GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=8080
COPY --from=gateway-libraries /image/ /
COPY --from=gateway-program /image/ /
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD curl --fail --silent --show-error --output /dev/null "http://127.0.0.1:$GATEWAY_PORT/health/live"
ENTRYPOINT ["python", "-m", "serving.gateway"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM runtime AS inference
ENV INFERENCE_HOST=0.0.0.0 \
    INFERENCE_PORT=5000 \
    MODEL_PATH=/model/model.onnx
COPY --from=inference-libraries /image/ /
COPY --from=inference-program /image/ /
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import os; from urllib.request import urlopen; urlopen(f'http://127.0.0.1:{os.environ[\"INFERENCE_PORT\"]}/health/live', timeout=2)"]
ENTRYPOINT ["python", "-m", "bentos"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-inference" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# Inference where there is no Kubernetes: a supervisor fetches what is promoted and starts it.
FROM inference AS supervisor
ENV INFERENCE_HOST=127.0.0.1 \
    IRIS_HOME=/var/lib/iris \
    MODEL_PATH= \
    SUPERVISOR_PORT=5080
COPY --from=supervisor-libraries /image/ /
COPY --from=supervisor-program /image/ /
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import os; from urllib.request import urlopen; urlopen(f'http://127.0.0.1:{os.environ[\"SUPERVISOR_PORT\"]}/health/live', timeout=2)"]
ENTRYPOINT ["iris", "serve"]
CMD ["--without-gateway"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-supervisor" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# Trainer and promoter in one, since a promotion judges with what training measures by.
FROM runtime AS promoter
ENV IRIS_HOME=/var/lib/iris
COPY --from=promoter-libraries /image/ /
COPY --from=promoter-program /image/ /
HEALTHCHECK NONE
ENTRYPOINT ["iris"]
CMD ["--help"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-promoter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM runtime AS mlflow
# Its jobs are for language models; they would be seven processes more.
ENV MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
COPY --from=mlflow-libraries /image/ /
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=2)"]
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5000", "--workers", "2"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-mlflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM runtime AS load
COPY --from=load-libraries /image/ /
COPY --from=load-program /image/ /
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "load_tests.suite"]
ARG VERSION REVISION
LABEL org.opencontainers.image.title="iris-load" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
