// Uses a one-time link. Its secret stands behind the `#`, which is sent to no server, and is taken out of the address bar
// at once.

const told = document.querySelector('#told');

const doors = {
  password: {
    path: '/auth/password/reset',
    body: (token, fields) => ({ token, new_password: fields.get('password') }),
    done: 'The password is set. You can log in with it now.',
  },
  invitation: {
    path: '/auth/register',
    // The tokens of this first login are for a program; this page keeps none.
    body: (invitation, fields) => ({ email: fields.get('email'), password: fields.get('password'), client: 'native', invitation }),
    done: 'The account is made. You can log in now.',
  },
  verify: {
    path: '/auth/verify',
    body: token => ({ token }),
    done: 'The address is confirmed. You can log in now.',
  },
};

function tell(text, wrong) {
  told.textContent = text;
  told.classList.toggle('wrong', wrong);
}

async function use(name, secret, form) {
  const door = doors[name];
  const button = form.querySelector('button');
  button.disabled = true;
  tell('…', false);
  try {
    const answer = await fetch(door.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(door.body(secret, new FormData(form))),
    });
    if (answer.ok) {
      form.hidden = true;
      tell(door.done, false);
    } else {
      const problem = await answer.json();
      tell(problem.detail, true);
    }
  } catch {
    tell('The server does not answer. Try again.', true);
  }
  button.disabled = false;
}

const [name, secret] = location.hash.slice(1).split('=');
if (Object.hasOwn(doors, name) && secret) {
  history.replaceState(null, '', location.pathname);
  document.querySelector('#intro').hidden = true;
  const form = document.querySelector(`#${name}`);
  form.hidden = false;
  form.querySelector('input, button').focus();
  form.addEventListener('submit', event => {
    event.preventDefault();
    use(name, secret, form);
  });
}
