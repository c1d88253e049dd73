import os

from django.core.wsgi import get_wsgi_application

# Whoever starts us has the platform's settings in the environment.
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.yardsticks.plain.settings"
application = get_wsgi_application()
