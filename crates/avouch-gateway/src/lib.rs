//! The life of a request: reverse proxy and forward-auth with a verdict on each request.
