# syntax=docker/dockerfile:1
# Model, daemon, bot and web are one image; docker-compose.yml says which part a container runs.
FROM python:3.11-slim-bookworm

# Another package index, as pip's own variables: empty means PyPI, whose torch runs on CPU and CUDA.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG UID=1000

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1 \
    LOOKALIKE_CONFIG=/app/config.yaml

WORKDIR /app

# First what changes seldom: the packages, in the versions of the lock file, without those that only
# developers need.
COPY pyproject.toml requirements.lock ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /tmp/wanted \
    && pip install --constraint requirements.lock --requirement /tmp/wanted "setuptools>=77" \
    && rm /tmp/wanted

COPY . .
RUN pip install --no-deps --no-build-isolation . \
    && rm -rf core daemon bot web cli build *.egg-info

# The folders exist and belong to the user, so that new volumes do, too.
RUN useradd --uid "$UID" --user-group --create-home lookalike \
    && mkdir -p /weights /app/dataset /home/lookalike/.cache \
        /var/lib/lookalike/model /var/lib/lookalike/daemon \
        /var/lib/lookalike/bot /var/lib/lookalike/web \
    && chown -R lookalike: /home/lookalike /var/lib/lookalike
USER lookalike

CMD ["lookalike", "--help"]
