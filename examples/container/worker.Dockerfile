# A worker that scores and does not train: no PyTorch, 0.7 GB of packages instead of 1.9.
# From the checkout: docker build -f examples/container/worker.Dockerfile -t onnxmint:worker .
FROM python:3.13-slim AS made
RUN python -m venv /opt/onnxmint
ENV PATH=/opt/onnxmint/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY examples/container/worker.txt /
RUN pip install -r /worker.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY onnxmint onnxmint
RUN pip install --no-deps . && python -m compileall -q /opt/onnxmint/lib

FROM python:3.13-slim
COPY --from=made /opt/onnxmint /opt/onnxmint
ENV PATH=/opt/onnxmint/bin:$PATH HOME=/tmp ONNXMINT_STATE=/tmp/onnxmint-state PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /case
ENTRYPOINT ["onnxmint"]
CMD ["--help"]
