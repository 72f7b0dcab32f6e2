"""The layers, by kind. `nn` re-exports them."""
