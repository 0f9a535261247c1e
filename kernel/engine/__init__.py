"""Engine drivers: one contract (`driver.py`), one file a driver, one supervisor around them."""
