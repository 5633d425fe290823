# One image for all services (the command says which), and one for the database.
#   docker build --target services -t ackrep/services .
#   docker build --target database -t ackrep/database .

FROM debian:bookworm-slim AS database
LABEL org.opencontainers.image.title="ACKREP database"
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15 \
 && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
COPY deploy/database /usr/local/bin/database
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data/cluster
USER postgres
CMD ["database"]

FROM debian:bookworm-slim AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM python AS build
WORKDIR /src
RUN python3 -m venv /opt/ackrep
COPY pyproject.toml README.md LICENSE ./
# The packages first: a change of our own code does not install them again.
RUN mkdir services gateway cli environments protos && mkdir protos/ackrep \
 && touch services/__init__.py gateway/__init__.py cli/__init__.py environments/__init__.py protos/ackrep/__init__.py \
 && /opt/ackrep/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/ackrep/bin/pip uninstall --yes --quiet ackrep
COPY protos protos
COPY services services
COPY gateway gateway
COPY cli cli
COPY environments environments
RUN /opt/ackrep/bin/pip install --no-cache-dir --no-deps --disable-pip-version-check .

FROM python AS services
LABEL org.opencontainers.image.title="ACKREP services"
# Named volumes take over the ownership of the folders they are mounted on.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/ackrep ackrep \
 && install -d -o ackrep -g ackrep -m 0700 \
      /var/lib/ackrep /var/lib/ackrep/catalog /var/lib/ackrep/scheduler /var/lib/ackrep/runner /var/lib/ackrep/nats
COPY deploy/nats.conf /etc/ackrep/nats.conf
COPY --from=build /opt/ackrep /opt/ackrep
ENV PATH=/opt/ackrep/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/ackrep
