"""What people see of vertical and transfer runs: words for steps, the page, the live view."""
