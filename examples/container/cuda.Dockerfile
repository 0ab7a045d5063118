# onnxmint on an NVIDIA GPU; CUDA's libraries come as Python packages, the driver (580 or newer) from the host.
# From the checkout: docker build -f examples/container/cuda.Dockerfile -t onnxmint:cuda .
FROM python:3.13-slim AS made
RUN python -m venv /opt/onnxmint
ENV PATH=/opt/onnxmint/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install torch
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY onnxmint onnxmint
RUN pip install ".[cuda]" && python -m compileall -q /opt/onnxmint/lib

FROM python:3.13-slim
COPY --from=made /opt/onnxmint /opt/onnxmint
ENV PATH=/opt/onnxmint/bin:$PATH HOME=/tmp ONNXMINT_STATE=/tmp/onnxmint-state PYTHONDONTWRITEBYTECODE=1
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
WORKDIR /case
ENTRYPOINT ["onnxmint"]
CMD ["--help"]
