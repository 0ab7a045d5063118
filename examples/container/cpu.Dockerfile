# onnxmint on CPUs, PyTorch's small build included: trains, audits, evaluates.
# From the checkout: docker build -f examples/container/cpu.Dockerfile -t onnxmint:cpu .
FROM python:3.13-slim AS made
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/onnxmint
ENV PATH=/opt/onnxmint/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What changes least comes first: PyTorch is most of the image.
RUN pip install --index-url "$TORCH_INDEX" torch
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY onnxmint onnxmint
RUN pip install . && python -m compileall -q /opt/onnxmint/lib

FROM python:3.13-slim
COPY --from=made /opt/onnxmint /opt/onnxmint
# Nothing is written but into /tmp and what is mounted; nobody has a home here.
ENV PATH=/opt/onnxmint/bin:$PATH HOME=/tmp ONNXMINT_STATE=/tmp/onnxmint-state PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /case
ENTRYPOINT ["onnxmint"]
CMD ["--help"]
