//! TLS configuration for listeners and upstreams.
