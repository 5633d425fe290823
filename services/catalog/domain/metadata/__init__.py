"""What metadata says: fields, what they may hold, and the entity they describe."""
