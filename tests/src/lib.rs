//! The integration tests: house, vectors, command line, interoperation, hostile input.

#[cfg(test)]
mod interop;
#[cfg(test)]
mod proxy;
