//! DNS with DNSSEC: every answer with its standing, from live resolvers or zone files.
