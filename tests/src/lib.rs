//! The integration tests: house, vectors, command line, interoperation, hostile input.
