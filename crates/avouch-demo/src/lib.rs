//! The demonstration world: a root zone, a site, its gateway and its visitors in one process.
