# Both services, and both in one, in an image without a shell.
#
#   docker build -t reinflate .
#   docker run --rm -p 127.0.0.1:8080:8080 -e PORT=8080 -e AUTH_DEMO=true reinflate

# To pin them, give digests: `--build-arg RUST_IMAGE=rust:1.95-slim-bookworm@sha256:…`.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# The caches hold what was downloaded and compiled; the binaries have to leave them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bins \
    && install -D -t /out/bin target/release/reinflate target/release/auth-service target/release/business-service \
    && install -d /out/data /out/sessions /out/mails /out/keys

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
