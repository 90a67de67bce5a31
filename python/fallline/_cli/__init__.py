"""The commands behind `fallline.cli`."""
