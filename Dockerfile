# Both services, and both in one, in an image without a shell.
#
#   docker build -t reinflate .
#   docker run --rm -p 127.0.0.1:8080:8080 -e PORT=8080 -e AUTH_DEMO=true reinflate

# To pin them, give digests: `--build-arg RUST_IMAGE=rust:1.95-slim-bookworm@sha256:…`.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
# `--build-arg PROFILED=yes`, as releases have it: built twice, which takes twice as long, with counters for
# a profile of the services under load, and optimised by it.
ARG PROFILED=
RUN [ -z "$PROFILED" ] || { rustup component add llvm-tools \
    && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 redis-server \
    && rm -rf /var/lib/apt/lists/*; }
WORKDIR /src
COPY . .
# The caches hold what was downloaded and compiled; the binaries have to leave them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    set -e; host=$(rustc -vV | sed -n 's/^host: //p'); built=target/release; \
    if [ -n "$PROFILED" ]; then \
        .ci/profile /profile; data=/$(sha256sum </profile | cut -c 1-16).profdata; mv /profile "$data"; \
        export RUSTFLAGS="-Cprofile-use=$data" CARGO_BUILD_TARGET="$host"; built=target/$host/release; \
    fi; \
    cargo build --release --locked --bins; \
    install -D -t /out/bin "$built/reinflate" "$built/auth-service" "$built/business-service"; \
    install -d /out/data /out/sessions /out/mails /out/keys

FROM ${RUNTIME_IMAGE}
COPY --from=build /out/bin/ /usr/local/bin/
# A named volume takes the owner of the directory that it is mounted on.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/sessions /sessions
COPY --from=build --chown=65532:65532 /out/mails /mails
COPY --from=build --chown=65532:65532 /out/keys /keys
WORKDIR /data
USER 65532:65532
CMD ["/usr/local/bin/reinflate"]
