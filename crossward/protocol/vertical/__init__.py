"""Messages of vertical and transfer runs: steps that parties are asked to do, and sealed envelopes between them."""
