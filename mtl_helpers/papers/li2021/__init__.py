"""Li, Wang & Zhang (2021): adversarial landmark regression on hidden feature maps (APRN)."""
