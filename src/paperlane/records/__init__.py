"""What is recorded beside the ledger: accounts, documents, issues and their reviews, the audit trail.

Functions take the ledger's connection, so that what they write happens with the ledger's change or not at all.
"""
