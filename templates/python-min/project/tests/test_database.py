import os
import tempfile
import threading
import unittest

from acme_widgets import database


class DatabaseTest(unittest.TestCase):
    def test_migrations_are_applied_once_by_all_who_start(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "deep", "test.db")
            database.open_database(path)
            threads = [threading.Thread(target=database.migrate) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with database.connect() as db:
                applied = [name for (name,) in db.execute("SELECT name FROM migrations")]
            self.assertEqual(applied, sorted(file.name for file in database.MIGRATIONS.glob("*.sql")))
            self.assertTrue(database.ready())
            os.remove(path)
            self.assertFalse(database.ready())
