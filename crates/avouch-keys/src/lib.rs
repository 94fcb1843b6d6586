//! Secret keys: made, kept encrypted at rest, and used to sign statements; nothing else sees them.
