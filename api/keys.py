"""`python -m api.keys`: makes, lists and revokes the keys of the API."""

from api.auth.keys_command import main

if __name__ == "__main__":
    main()
