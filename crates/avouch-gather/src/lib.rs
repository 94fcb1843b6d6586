//! Looks up what a claim needs: DNS keys and revocations, forward confirmation, the replay table.
