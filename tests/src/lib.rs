//! The integration tests: house, vectors, command line, interoperation, hostile input.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod console;
#[cfg(test)]
mod entity;
#[cfg(test)]
mod guides;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod vectors;
