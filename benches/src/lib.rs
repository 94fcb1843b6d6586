//! Speed as ratios: each figure against a bare limit measured in the same run.
