"""How calls are spelt, read and written: JSON objects, Python calls, raw values between tags."""
