# syntax=docker/dockerfile:1
# Builds the release binary and puts it alone into a small image. It runs as user 10001 and writes to /app/data only,
# so the root file system can be read-only.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin latchkey && cp target/release/latchkey /latchkey

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /app --shell /usr/sbin/nologin latchkey \
    && install -d -o latchkey -g latchkey -m 0700 /app/data
COPY --from=build /latchkey /usr/local/bin/latchkey
WORKDIR /app
USER 10001:10001
VOLUME /app/data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Liveness over HTTP with what the image has; a proxy should look at /ready.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${LATCHKEY__SERVER__PORT:-8080} && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["latchkey"]
CMD ["serve"]
