"""What encrypted forward costs beside the clear product."""
