"""What runs say, as one page: directories are read (`reading`), compared (`src.compare`), put into tables, pictures and
remarks (`findings` of sweeps, `single` of a run), and written (`page`)."""
