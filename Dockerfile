# One image for web, workers, beat and migrations; the command tells them apart.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install -r requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=membership.settings \
    STATIC_ROOT=/srv/static
# A number, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin membership \
    && install -d -o 10001 /srv/static /var/lib/membership
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Settings refuse to load without their secrets. These exist for two commands that use none of them.
RUN export SECRET_KEY=only-for-building SITE_URL=https://build.invalid ALLOWED_HOSTS=build.invalid \
        DATABASE_URL=postgresql://build.invalid/none REDIS_URL=redis://build.invalid/0 \
        FIELD_KEYS=k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
        FIELD_INDEX_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    && python manage.py compilemessages \
    && python manage.py collectstatic --noinput
USER 10001
EXPOSE 8000
CMD ["gunicorn", "membership.wsgi:application", "--bind", "0.0.0.0:8000", \
     "--worker-class", "gthread", "--workers", "2", "--threads", "8", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-"]
