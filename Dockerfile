# One image for heads, workers and jobs, with or without GPUs:
#   docker build -t registry.example.org/atelier:0.1.0 .
# PIP_ARGS is handed to pip, for an index of one's own. One that has torch for processors alone makes a far smaller
# image, which is all that is needed without GPUs.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ARG PIP_ARGS=""
ARG EXTRAS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/atelier
COPY pyproject.toml constraints.txt ./
# What Atelier needs changes seldom, and is a layer of its own.
RUN python -c "import sys, tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*p['dependencies'], *(r for e in sys.argv[1].split(',') if e for r in p['optional-dependencies'][e]), sep='\n')" \
    "${EXTRAS}" > requirements.txt \
    && /opt/atelier/bin/pip install ${PIP_ARGS} --constraint constraints.txt --requirement requirements.txt
COPY . .
RUN /opt/atelier/bin/pip install ${PIP_ARGS} --no-deps .

FROM ${PYTHON}
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home --home-dir /var/cache/atelier atelier \
    && install --directory --owner=atelier --group=atelier /var/cache/atelier
COPY --from=build /opt/atelier /opt/atelier
ENV PATH=/opt/atelier/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    ATELIER_HOME=/var/cache/atelier
USER 10001:10001
WORKDIR /var/cache/atelier
CMD ["atelier", "up"]
