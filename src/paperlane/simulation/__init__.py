"""What-if: a load goes through the ledger's own law of turns and limits on a virtual clock."""
